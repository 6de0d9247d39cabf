"""The dispute graph and its answers: functions from a graph to values. They read, they never write.

Nothing here says what is true. Each answer is computed from the claims in view and the links between
them, and carries its why.
"""
