"""What becomes of deliveries: the one recorder of results, and what people do to deliveries that wait."""
