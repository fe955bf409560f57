"""Documents as stored and as sent: one Pydantic class each."""
