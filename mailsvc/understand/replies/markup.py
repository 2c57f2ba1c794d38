"""Makes the HTML of an arrived mail safe to show: no scripts, nothing that loads or sends anything."""
