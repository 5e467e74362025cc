; Inno Setup's recipe of the installer for Windows; build.py gives Version, Folder, Icons and Root.
; For one person and without an administrator. Never run: nobody has built it on Windows yet.

[Setup]
AppId={{6D9A3C0B-2F5E-4B8E-9C17-0F3A54D1E8B2}
AppName=Distill
AppVersion={#Version}
AppPublisher=The Distill authors
DefaultDirName={localappdata}\Programs\Distill
DefaultGroupName=Distill
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
ChangesAssociations=yes
CloseApplications=yes
LicenseFile={#Root}\LICENSE
SetupIconFile={#Icons}\distill.ico
UninstallDisplayIcon={app}\distill-app.exe
Compression=lzma2/fast
SolidCompression=yes

[InstallDelete]
; What an older version had and this one does not must not be found by it.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "{#Folder}\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion
Source: "{#Icons}\model.ico"; DestDir: "{app}"; Flags: ignoreversion

[Icons]
Name: "{group}\Distill"; Filename: "{app}\distill-app.exe"

[Registry]
Root: HKCU; Subkey: "Software\Classes\.distill"; ValueType: string; ValueData: "Distill.Model"; Flags: uninsdeletevalue
Root: HKCU; Subkey: "Software\Classes\.distill"; ValueType: string; ValueName: "Content Type"; ValueData: "application/x-distill-model"; Flags: uninsdeletevalue
Root: HKCU; Subkey: "Software\Classes\Distill.Model"; ValueType: string; ValueData: "Distill model"; Flags: uninsdeletekey
Root: HKCU; Subkey: "Software\Classes\Distill.Model\DefaultIcon"; ValueType: string; ValueData: "{app}\model.ico"
Root: HKCU; Subkey: "Software\Classes\Distill.Model\shell\open\command"; ValueType: string; ValueData: """{app}\distill-app.exe"" ""%1"""

[Run]
Filename: "{app}\distill-app.exe"; Description: "Start Distill"; Flags: nowait postinstall skipifsilent
