"""Safe reading of strangers' files, and safe replacement of files; this package knows no network and no format."""
