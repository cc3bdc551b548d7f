"""`python -m hubd.demo`: play the story."""

import sys

from hubd.demo.story import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
