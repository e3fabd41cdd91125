"""`make families`: every family through the studio's own service, on tiny checkpoints; one table of what was proven.

A mark stands only for what ran and was checked; "refused" for what the model can't do and was refused with a sentence.
Ends with 1 when a proof failed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from studio.engine import preview
from tests.tiny.checkpoints import CHECKPOINTS
from tests.tiny.proofs import LACKING, PROOFS, Proof, open_studio


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tiny", description="Proves the model families.")
    parser.add_argument("--only", nargs="+", choices=CHECKPOINTS, default=list(CHECKPOINTS), help="only these")
    names = parser.parse_args().only
    logging.disable(logging.CRITICAL)
    preview.EVERY_S = 0.0  # a tiny clip is done before the first half second
    failures = []
    print("| model | " + " | ".join(PROOFS) + " | seconds |")
    print("|---" * (len(PROOFS) + 2) + "|")
    with tempfile.TemporaryDirectory(prefix="flipbook-families-") as folder:
        studio = open_studio(Path(folder), names)
        try:
            for name in names:
                began_s = time.monotonic()
                proof = Proof(studio, name)
                marks = [_mark(proof, what, failures) for what in PROOFS]
                print(f"| {name} | {' | '.join(marks)} | {time.monotonic() - began_s:.0f} |", flush=True)
        finally:
            studio.close()
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _mark(proof: Proof, what: str, failures: list[str]) -> str:
    try:
        told = PROOFS[what](proof)
    except Exception as error:  # noqa: BLE001 - a proof that fails is a finding, and the others go on
        failures.append(f"{proof.name}, {what}: {type(error).__name__}: {error}")
        return "FAILED"
    lacks = what in LACKING and not proof.has(LACKING[what])
    return "refused" if lacks else f"✓ {told}" if told else "✓"


if __name__ == "__main__":
    sys.exit(main())
