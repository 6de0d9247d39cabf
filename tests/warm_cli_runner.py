"""What the fork server imports: the program, with its caches filled."""

import cli_runner

cli_runner.warm_up()
