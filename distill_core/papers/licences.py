"""A licence line as Hugging Face's keys have it: an identifier of its list, or a name of one's own."""

from __future__ import annotations

import re
import unicodedata

# Of https://hf.co/docs/hub/repositories-licenses those that sounds and models of sounds have.
_IDENTIFIERS = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause
    bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0
    cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0
    epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc mpl-2.0 odc-by
    ms-pl ncsa ofl-1.1 osl-3.0 postgresql pddl unlicense zlib unknown
    """.split()  # noqa: SIM905 - sixty words read better so
)
_LONGEST_NAME = 60  # characters


def _identifier(line: str) -> str:
    """Return a line as an identifier has it: letters and digits of ASCII, points and hyphens."""
    plain = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", plain)[:_LONGEST_NAME].strip("-.")


def licence_keys(line: str) -> dict[str, str]:
    """Return a licence line as `license`, with `license_name` for one that has no identifier; none for an empty one."""
    name = _identifier(line)
    if not line:
        return {}
    if name in _IDENTIFIERS:
        return {"license": name}
    return {"license": "other", "license_name": name} if name else {"license": "other"}
