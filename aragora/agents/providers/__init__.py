"""Language-model providers, one file each; every SDK is imported by its own file and only when it is first used."""
