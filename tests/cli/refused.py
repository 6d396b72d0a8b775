"""What bad input on the command line comes to."""


def check_refused(outcome, words):
    """Exit code 2 and one line on stderr, in which all of the words stand."""
    code, out, err = outcome
    assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    for word in words:
        assert word in err, err


def changed(text: str, folder, change: tuple[str, str]) -> str:
    """The path of a file network.toml with the text, in which one thing stands for another."""
    old, new = change
    assert old in text
    path = folder / "network.toml"
    path.write_text(text.replace(old, new))
    return str(path)
