"""What the scripts beside it share: things that run, clients, and how a promise is judged."""

import pathlib
import sys

# Servers and PostgreSQL are started as scripts/bench and scripts/rotation do.
ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
