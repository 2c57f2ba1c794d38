"""What tests share: real peers, characters and readers."""
