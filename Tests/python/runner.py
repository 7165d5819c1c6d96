"""Runs checks one after the other and counts them."""

import pathlib
import traceback


class Runner:
    def __init__(self):
        self.passed, self.failures = 0, []

    def check(self, title, call, *arguments):
        """Runs one check; prints `ok` or `FAIL` with the place and the reason."""
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001: a failed check must not stop the next
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "Tests/python" in frame.filename]
            own = [frame for frame in frames if pathlib.Path(frame.filename).name not in ("runner.py", "member.py")][-1:] or frames[-1:]
            place = f"{pathlib.Path(own[0].filename).name}:{own[0].lineno}" if own else "?"
            self.failures.append(f"{title} ({place})")
            print(f"FAIL  {title} ({place})\n      {type(error).__name__}: {str(error).strip()[:1500]}", flush=True)
            return False
        self.passed += 1
        print(f"ok    {title}", flush=True)
        return True

    def finish(self):
        """Prints what failed and the count; gives the exit status."""
        print()
        for failure in self.failures:
            print(f"FAIL  {failure}")
        print(f"{self.passed} passed, {len(self.failures)} failed", flush=True)
        return 1 if self.failures else 0


def checks_of(*modules):
    """The functions named `check_…` of these modules, in order, with their titles."""
    return [(name.removeprefix("check_").replace("_", " "), call)
            for module in modules for name, call in vars(module).items() if name.startswith("check_")]
