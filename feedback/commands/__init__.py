"""The commands of `feedback`: one command, one file. `feedback.cli` imports the one that is asked for, and no other.

Each module has `configure(parser)`, which adds its arguments, and `run(arguments) -> int`, which returns the exit
status: 0 done, 1 failed, 2 wrong usage or configuration (`check` has a plugin's: 0 PASS, 2 FAIL, 3 UNKNOWN). A
FeedbackError that leaves `run` is printed as one sentence: exit 2 for ConfigError, 1 for every other.
"""
