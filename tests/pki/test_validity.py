from feedback.pki.validity import is_due


def test_a_certificate_is_due_with_a_third_of_its_lifetime_left() -> None:
    assert not is_due(0.0, 90.0, 60.0)
    assert is_due(0.0, 90.0, 60.1)
    assert is_due(0.0, 90.0, 1000.0)
