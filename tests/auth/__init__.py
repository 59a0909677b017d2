"""Tests of agentpost.auth."""
