"""The pages of health: the board, one component, and what people do there."""
