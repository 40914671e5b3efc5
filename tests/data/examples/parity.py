"""Odd and even numbers."""


def odd_numbers(numbers):
    """Only the odd ones."""
    found = []
    for number in numbers:
        if number % 2 == 1:
            found.append(number)
    return found


def even_numbers(numbers):
    """Only the even ones."""


def num_even(numbers):
    """How many of them are even."""
    return len(even_numbers(numbers))
