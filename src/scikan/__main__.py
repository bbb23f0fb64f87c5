"""`python -m scikan` is `scikan`."""

from scikan.app.cli import main


if __name__ == "__main__":
    main()
