"""`python -m etl_engine.cli`, where the console script is not on the path."""

from etl_engine.cli import main

if __name__ == "__main__":
    main()
