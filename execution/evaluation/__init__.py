"""How good labels and strategies were, told only by bars that came after."""
