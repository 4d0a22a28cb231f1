"""What both doubles share: TOML, HTTP, etcd's JSON gateway, logging."""
