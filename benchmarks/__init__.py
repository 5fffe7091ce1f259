"""What README's figures come from. Each figure stands beside a baseline of the same run."""
