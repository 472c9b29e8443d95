"""The scorecard: questions, answers by evidence and margins, and the texts that show them."""
