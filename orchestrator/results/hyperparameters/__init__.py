"""The hyper-parameters of trials: how they are spelt, drawn and weighed."""
