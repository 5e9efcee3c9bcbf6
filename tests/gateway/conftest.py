"""One stub and one gateway for all tests that do not need their own."""

from __future__ import annotations

import pytest
from tests.gateway import running
from tests.gateway import stub as stubs

openai = pytest.importorskip("openai")


@pytest.fixture(scope="session")
def stub_server():
    stub, stop = stubs.start()
    yield stub
    stop()


@pytest.fixture
def stub(stub_server):
    stub_server.reset()
    return stub_server


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory):
    return running.write_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def shared_gateway(stub_server, policy_folder, tmp_path_factory):
    text = running.settings(stub_server.url, policy_folder, tier=", first_token_s: 2, total_s: 3, retries: 1")
    gateway = running.start(tmp_path_factory.mktemp("gateway"), text)
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(shared_gateway, stub):
    return shared_gateway


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as one:
        yield one
