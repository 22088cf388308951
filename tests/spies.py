"""Watching what a function of the package answers."""


def answers_of(monkeypatch, module, name):
    """A list of what the module's function of that name returns from now on, in order."""
    answers = []
    function = getattr(module, name)

    def spy(*args):
        answers.append(function(*args))
        return answers[-1]

    monkeypatch.setattr(module, name, spy)
    return answers
