"""How each kind of provider is asked, one file each; an SDK is imported only when it is first used."""
