"""What an arrived mail means: reports, complaints, automatic answers and replies. Pure functions over bytes; they never raise."""
