"""Run a local server that behaves as the providers do."""

import contextlib
import json
import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.simulator import cast, registration
from credentials.simulator.server import Simulator
from health.management.base import USAGE, LanyardCommand


class Command(LanyardCommand):
    help = """Run a local server that behaves as all providers do: who-am-I, OAuth, limits, outages and every
failure that is known of them. Only this machine can reach it, and nothing of it is kept when it ends.

  manage.py simulate_providers --port 9555 --write simulated.json
  PROVIDER_SIMULATOR_URL=http://127.0.0.1:9555 manage.py import_credentials simulated.json

With PROVIDER_SIMULATOR_URL set, Lanyard sends every call to a provider there. What fails, and how, is chosen
by the secret or under /_control/: credentials/simulator/__init__.py and control.py say how."""

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9555, help="9555 unless given; 0 takes a free one")
        parser.add_argument(
            "--write", metavar="FILE", help="write OAuth apps and credentials that work with it"
        )
        parser.add_argument(
            "--credentials", type=int, default=3, metavar="N", help="so many of each kind (3)"
        )
        parser.add_argument(
            "--accept",
            metavar="FILE",
            action="append",
            default=[],
            help="also accept the documents of this file",
        )
        parser.add_argument(
            "--for", type=float, dest="seconds", metavar="SECONDS", help="end by itself after them"
        )
        parser.add_argument(
            "--redirect",
            metavar="URI",
            action="append",
            help="a redirect URI of the apps, {provider} standing for each; port 8000 here unless given",
        )

    def handle(self, **options: Any) -> None:
        if not 0 <= options["port"] <= 65_535 or not 0 <= options["credentials"] <= 100_000:
            raise CommandError("--port takes 0 to 65535, --credentials 0 to 100000", returncode=USAGE)
        redirects = tuple(options["redirect"] or cast.REDIRECTS)
        try:
            simulator = Simulator(options["port"], options["credentials"], redirects)
        except OSError as error:
            words = f"Port {options['port']} cannot be used: {error.strerror}. Choose another with --port."
            raise CommandError(words, returncode=USAGE) from None
        try:
            for path in options["accept"]:
                self.accept(simulator, path)
            if options["write"]:
                self.write(options["write"], options["credentials"])
        except BaseException:
            simulator.server_close()
            raise
        threading.Thread(target=simulator.serve_forever, daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            # Said here, because a shell lets what it starts in the background ignore Ctrl-C.
            for name in (signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            self.stdout.write("Simulating 15 providers. Nothing here is real. Ctrl-C ends it.")
            self.stdout.write(f"PROVIDER_SIMULATOR_URL={simulator.url}")
            self.stdout.flush()
            simulator.stopping.wait(options["seconds"])
        simulator.stop()
        self.stdout.write(f"\nEnded after {simulator.world.numbers} requests.")

    def write(self, path: str, count: int) -> None:
        documents = cast.documents(count)
        target = Path(path)
        # It holds a private key, though one of no worth: other people of this machine need not see it.
        target.touch(mode=0o600)
        target.write_text(json.dumps(documents, indent=2) + "\n", encoding="utf-8")
        self.stdout.write(f"Wrote {len(documents)} documents to {path}: manage.py import_credentials {path}")

    def accept(self, simulator: Simulator, path: str) -> None:
        try:
            documents = json.loads(Path(path).read_text(encoding="utf-8"))
            for document in documents:
                registration.register(simulator.world, document, simulator.redirects)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            words = f"{path} holds no documents as import_credentials takes them: {error}"
            raise CommandError(words, returncode=USAGE) from None
        self.stdout.write(f"Also accepted: {len(documents)} documents of {path}")
