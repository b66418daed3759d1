"""Windows as the project file writes them."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reconciler.errors import Invalid, Source
from reconciler.model.core import Action
from reconciler.model.policy import Window
from reconciler.settings import Options, read_settings
from reconciler.settings.environment import Policy

ABOVE = "files: [c]\nenvironments:\n  demo:\n    policy:\n      windows:\n        - "


def policy(folder: Path, window: str) -> Policy:
    (folder / "reconciler.yaml").write_text(ABOVE + window, encoding="utf-8")
    return read_settings(Options(), variables={}, cwd=folder).environment().policy


def test_a_window_is_read_with_its_place(tmp_path: Path) -> None:
    written = "{actions: [archive, restore], days: [mon-wed, FRI], from: 9:00, to: 17:30, zone: Europe/Berlin}"
    assert policy(tmp_path, written).windows == (
        Window(
            actions=frozenset({Action.ARCHIVE, Action.RESTORE}),
            days=frozenset({0, 1, 2, 4}),
            opens=540,
            closes=1050,
            zone=ZoneInfo("Europe/Berlin"),
            said="mon-wed,fri 09:00-17:30 Europe/Berlin",
            source=Source("reconciler.yaml", 6, 11),
        ),
    )


def test_what_a_window_does_not_say_does_not_narrow_it(tmp_path: Path) -> None:
    (window,) = policy(tmp_path, "{}").windows
    place = Source("reconciler.yaml", 6, 11)
    expected = Window(
        frozenset(Action),
        frozenset(range(7)),
        0,
        1440,
        ZoneInfo("UTC"),
        "00:00-24:00 UTC",
        place,
    )
    assert window == expected


def test_each_rule_of_a_policy_has_the_place_where_it_is_written(tmp_path: Path) -> None:
    text = "files: [c]\nenvironments:\n  demo:\n    policy:\n      required: [email]\n      max_archives: 5\n"
    (tmp_path / "reconciler.yaml").write_text(text, encoding="utf-8")
    read = read_settings(Options(), variables={}, cwd=tmp_path).environment().policy
    assert read.places == {
        "required": Source("reconciler.yaml", 5, 17),
        "max_archives": Source("reconciler.yaml", 6, 21),
    }


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        ("{zone: Europe/Berln}", "zone: 'Europe/Berln' is not a time zone; did you mean 'Europe/Berlin'?"),
        ("{zone: Europe}", "zone: 'Europe' is not a time zone; did you mean"),
        (
            "{zone: ../../etc/passwd}",
            "zone: '../../etc/passwd' is not a time zone; write a name from the IANA database",
        ),
        ("{from: 9}", "from: '9' is not a time of day; write one such as 09:00, up to 24:00"),
        ("{to: 24:01}", "to: '24:01' is not a time of day"),
        ("{from: 9:60}", "from: '9:60' is not a time of day"),
        ("{from: 9:00, to: 09:00}", "from: it opens when it closes; for a whole day, leave out both"),
        ("{days: [mon, wend]}", "days[1]: 'wend' is not a day; did you mean 'wed'?"),
        ("{days: [mon-]}", "days[0]: '' is not a day; write one of mon, tue"),
        ("{actions: [archve]}", "actions[0]: 'archve' is not valid here; did you mean 'archive'?"),
        ("{actions: []}", "actions: this list is empty; write at least one text, or remove it"),
        ("{days: []}", "days: this list is empty; write at least one text, or remove it"),
        ("{from: 24:00, to: 06:00}", "from: a day ends at 24:00; write 00:00 of the next day"),
        ("{zone: localtime}", "zone: 'localtime' is not a time zone"),
        ("{zone: /etc/localtime}", "zone: '/etc/localtime' is not a time zone"),
        ("{zone: '${AP_NOT_SET}'}", "zone: the variable AP_NOT_SET is not set, or is empty; set it"),
        ("{hours: 9-17}", "hours: unknown key 'hours'"),
    ],
)
def test_what_is_wrong_with_a_window_is_said_with_its_place(tmp_path: Path, window: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        policy(tmp_path, window)
    (text,) = map(str, caught.value.problems)
    assert text.startswith("reconciler.yaml:6:")
    assert f": environments.demo.policy.windows[0].{problem}" in text
