"""Ray shells around the machines of `aragora`: one file a kind of actor, no rule of the domain inside."""
