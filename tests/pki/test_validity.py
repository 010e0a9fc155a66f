from feedback.pki.validity import ends_soon, is_due


def test_a_certificate_is_due_with_a_third_of_its_lifetime_left() -> None:
    assert not is_due(0.0, 90.0, 60.0)
    assert is_due(0.0, 90.0, 60.1)
    assert is_due(0.0, 90.0, 1000.0)


def test_a_certificate_ends_soon_with_a_tenth_of_its_lifetime_left() -> None:
    assert not ends_soon(0.0, 90.0, 81.0)
    assert ends_soon(0.0, 90.0, 81.1)
    assert ends_soon(0.0, 90.0, 1000.0)
