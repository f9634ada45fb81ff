"""Scripts sent into a sandbox; standard library only (and pytest where the project has it), Python 3.8 up."""
