"""Secrets are masked wherever they stand, ordinary text stays as it is."""

from __future__ import annotations

import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.utils.redaction import redacted, redacted_config, redacted_value, without_account

PW = "S3cr.t"
ODBC = f"DRIVER={{ODBC Driver 18}};SERVER=db;UID=sa;PWD={PW};Encrypt=yes"

WITH_SECRET = [
    f"postgresql://anna:{PW}@db/x",
    f"postgresql+psycopg://anna:{PW}/x@db:5432/x",
    f"postgresql://anna@lab.org:{PW}@db:5432/x",
    f"postgresql://anna@lab.org:{PW}@x@y@db:5432/x",
    f"postgresql://anna:1234/{PW}@db/x",
    f"redis://:{PW}@cache:6379/0",
    f"mongodb+srv://anna:{PW}@cluster0.example.net/db?retryWrites=true",
    f"mongodb://anna:{PW}@h1:27017,h2:27017/db",
    f"http://anna:{PW}@localhost:5000",
    f"HTTPS://anna:{PW}@localhost:5000/#/experiments/1",
    f"https://h/?api_key={PW}&x=1",
    f"https://h/?apikey={PW}",
    f"https://h/?x=1&api-key={PW}",
    f"https://h/?token={PW}",
    f"https://h/?access_token={PW}#there",
    f"https://h/?authToken={PW}",
    f"https://h/?PWD={PW}",
    f"https://h/?pass={PW}",
    f"https://h/?pass%77ord={PW}",
    f"https://h/?%70%77%64={PW}",
    f"https://h/?key={PW}",
    f"https://h/?x=1&subscription-key={PW}",
    f"https://c.blob.core.windows.net/b?sv=2024&sp=rl&sig={PW}%2Fabc%3D&se=2027",
    f"https://b.s3.amazonaws.com/k?X-Amz-Signature={PW}&X-Amz-Credential={PW}%2F2026",
    f"https://h/?X-Amz-Security-Token={PW}",
    f"postgresql:///x?user=u&password={PW}&sslmode=require",
    f"mssql+pyodbc:///?odbc_connect={quote_plus(ODBC)}",
    f"mssql+pyodbc:///?odbc_connect={quote(quote(ODBC))}",
    f"mssql+pyodbc:///?odbc_connect={quote_plus(f'PWD={{a;{PW}}};UID=sa')}",
    f"mssql+pyodbc:///?odbc_connect=PWD%3D{PW}",
    ODBC,
    f"PWD={{a;{PW}}};UID=sa",
    f"host=db user=anna password={PW} dbname=x",
    f"host=db password='a b {PW}' dbname=x",
    f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={PW}==;EndpointSuffix=core.windows.net",
    f"https://h/?next={quote(f'http://anna:{PW}@h', safe='')}",
    f"next=http://h;see=postgresql://anna:{PW}@h/x",
    f"tracking: postgresql://anna:{PW}@h/x cannot be used (no route); set tracking.uri",
    f"'tracking.uri=postgresql://anna:{PW}@h/x'",
    f"python -m harness 'tracking.uri=http://h/?token={PW}' +norm=raw",
    f"['tracking.uri=postgresql://anna:{PW}@h/x', 'x=1']",
    f'{{"uri": "http://h/?token={PW}"}}',
    f"hydra.launcher.init._redis_password={PW}",
    f"Authorization: Bearer {PW}0123456789abcdef",
    f"https://ghp_{PW.replace('.', '')}0123456789abcdef@github.com/lab/x",
    f"(see postgresql://anna:{PW}@h/x)",
    f"postgresql://anna:{PW}'{PW}@h/x",
    f"postgresql://anna:{PW}%40{PW}@h/x",
]

ORDINARY = [
    "sqlite:///mlruns/mlflow.db",
    "sqlite:////home/anna@lab.org/a:b@c/mlflow.db",
    "http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=scores&workflowType=machine_learning",
    "http://localhost:5000/users/anna@lab.org",
    "https://h/?page=2&batch=week1&tokens=5&n_tokens=5&keyboard=x&passage=3",
    "file:///home/anna@lab/x",
    "s3://bucket/plates@2021/x.csv",
    "postgresql://lab@db/x",
    "postgresql://db:5432/x",
    "anna@lab.org",
    "mailto:anna@lab.org or bob@lab.org: either",
    "/data/anna@lab/plates:1@2.csv",
    "Cells_Texture_token_count",
    "data.features=[Cells_token_length,Nuclei_signature]",
    "batch=regex batch.pattern='(Week\\d+)_'",
    "batch=week1;plate=P1&token=5",
    "data.controls.query=\"Compound == 'DMSO' & token == 'x' & password == 'y'\"",
    "there is no setting 'password'; --help lists them",
    "split=leave_batch_out split.n_folds=5 key=value",
    "significance=0.05, sig=0.05",
    "516 features; left out 14 columns: Metadata_Plate, Metadata_sig",
    "harness: warning: plate 'P@1': 3 wells are a:b@c",
    "basic statistics of the bearer",
    "raw (leave_batch_out): dmso_vs_treated/logistic AUROC 0.680 [0.656, 0.699]",
    "time 10:30@lab",
    "",
]


@pytest.mark.parametrize("text", WITH_SECRET)
def test_no_secret_is_left(text: str) -> None:
    for function in (redacted, redacted_value):
        shown = function(text)
        assert PW not in shown
        assert "***" in shown
        assert function(shown) == shown


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text
    assert redacted_value(text) == text


def test_what_is_no_secret_of_an_address_is_still_there() -> None:
    assert redacted(WITH_SECRET[2]) == "postgresql://anna@lab.org:***@db:5432/x"
    assert redacted("https://h/?sv=1&sig=abc%3D&se=2") == "https://h/?sv=1&sig=***&se=2"
    assert redacted(f"SERVER=db;PWD={PW};Encrypt=yes") == "SERVER=db;PWD=***;Encrypt=yes"
    assert redacted(f"a 'http://u:{PW}@h/x', 'c@d'") == "a 'http://u:***@h/x', 'c@d'"


def test_a_value_as_a_whole_may_hold_spaces() -> None:
    assert redacted_value(f"tracking.uri=postgresql://u:my {PW}@h/x") == "tracking.uri=postgresql://u:***@h/x"


def test_containers() -> None:
    node = {"uri": f"http://u:{PW}@h", "list": [f"http://u:{PW}@h", 3, None], "api_key": PW, "n": 1.5, "password": None}
    assert redacted_config(node) == {
        "uri": "http://u:***@h",
        "list": ["http://u:***@h", 3, None],
        "api_key": "***",
        "n": 1.5,
        "password": None,
    }


def test_an_address_for_clients_that_know_the_account() -> None:
    assert without_account(f"http://anna@lab.org:{PW}@h:5000/x") == "http://h:5000/x"
    assert without_account("http://h:5000/a@b") == "http://h:5000/a@b"


TEXT = st.text(alphabet=st.sampled_from("ab:/@?#&=;%3D' \"{}[],.*\n-+pwdPWD"), max_size=60)


@settings(max_examples=300, deadline=None)
@given(TEXT)
@example("a://b:c@d://e:f@g")
@example("pwd='")
@example("?sig=%7B")
def test_any_text_is_taken_and_a_second_time_changes_nothing(text: str) -> None:
    for function in (redacted, redacted_value):
        once = function(text)
        assert function(once) == once


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet=string.ascii_letters + string.digits + "/?#@:!$&()*+,;=~^|<>{}[].-_%", min_size=4, max_size=20),
    st.sampled_from(["u", "anna@lab.org", "a.b"]),
)
def test_no_password_whatever_it_holds_survives_in_an_account(password: str, user: str) -> None:
    planted = f"Q7{password}Z9"
    shown = redacted(f"could not reach postgresql://{user}:{planted}@db.example/x; try again")
    assert planted not in shown
    assert "Q7" not in shown
    assert "Z9" not in shown


@pytest.mark.parametrize("text", ["=" * 20000, "a" * 20000 + "=", "%3D" * 7000, "://" * 7000, "x://a:" * 4000])
def test_long_texts_take_no_time(text: str) -> None:
    redacted(text)
