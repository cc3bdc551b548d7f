"""The program that owns one run: `python -m hubd.launch.wrapper`."""
