"""`python -m hubd.cli`: hubctl where it is not installed as a program."""

import sys

from hubd.cli import main

sys.exit(main())
