"""What tests on real hosts share: running playbooks, counting what they cost, traffic, fingerprints."""
