"""AgentPost: a self-hosted email platform for AI agents."""
