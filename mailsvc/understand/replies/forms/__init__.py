"""The words by which quotations, headers and signatures are recognised, by language: data only."""
