"""How what was learned is heard."""
