"""What others hold us to: transcripts of the protocols, and mail clients that people use."""
