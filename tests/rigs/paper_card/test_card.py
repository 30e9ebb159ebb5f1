"""The card on paper behaves as a card where it matters: devices, memory that comes and goes, and torch's own errors."""

import numpy as np
import pytest
import torch

from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.cards import CARDS, least_seconds
from tests.rigs.paper_card.memory import Kernel
from workers.engines.device_errors import is_out_of_memory

MEGABYTE = 2**20


def on_card(megabytes: int) -> torch.Tensor:
    return torch.empty(megabytes * MEGABYTE, dtype=torch.uint8, device="cuda")


def test_memory_is_counted_while_it_is_in_use_and_the_peak_stays():
    with PaperCard() as card:
        first, second = on_card(3), on_card(4)
        view = first[:10]
        del first, second
        assert card.memory.now == 3 * MEGABYTE, "a view keeps all of what it shows"
        del view
        assert (card.memory.now, card.peak) == (0, 7 * MEGABYTE)
        on_card(1).cpu()
        assert card.memory.now == 0, "main memory does not count"


def test_every_stage_has_a_peak_of_its_own():
    with PaperCard() as card:
        kept = on_card(1)
        with card.stage("large"):
            on_card(8)
        with card.stage("small"):
            on_card(2)
        assert card.stages["large"] == 9 * MEGABYTE
        assert card.stages["small"] == 3 * MEGABYTE
        assert card.peak == 9 * MEGABYTE
        del kept


def test_what_exceeds_the_budget_raises_torchs_own_error_and_takes_nothing():
    with PaperCard(budget=10 * MEGABYTE) as card:
        kept = on_card(8)
        with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate 3\.00 MiB") as caught:
            on_card(3)
        assert is_out_of_memory(caught.value)
        assert (card.memory.now, card.memory.refused) == (8 * MEGABYTE, 1)
        assert torch.cuda.mem_get_info() == (2 * MEGABYTE, 10 * MEGABYTE)
        on_card(2)
        del kept


def test_tensors_on_different_devices_do_not_meet():
    with PaperCard(), pytest.raises(RuntimeError, match="device"):
        torch.nn.Linear(4, 4).to("cuda")(torch.zeros(1, 4))


def test_tensors_of_different_dtypes_do_not_meet():
    with PaperCard(), pytest.raises(RuntimeError, match="dtype"):
        torch.nn.Linear(4, 4).to("cuda", torch.float16)(torch.zeros(1, 4, device="cuda"))


def test_a_module_moves_to_the_card_and_back():
    with PaperCard() as card:
        layer = torch.nn.Linear(1024, 1024).to(torch.float16)
        layer.to("cuda")
        assert card.memory.now == 2 * (1024 * 1024 + 1024)
        assert card.memory.moved == card.memory.now
        layer.to("cpu")
        assert card.memory.now == 0


def test_numpy_reads_main_memory_only_as_on_a_real_card():
    with PaperCard():
        assert torch.ones(2, 3, device="cuda").cpu().numpy().shape == (2, 3)
        with pytest.raises(TypeError):
            torch.ones(2, device="cuda").numpy()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_attention_takes_memory_for_its_result_and_not_for_the_whole_matrix(dtype):
    with PaperCard() as card:
        query = torch.zeros(1, 8, 4096, 40, dtype=dtype, device="cuda")
        card.memory.peak = card.memory.now
        torch.nn.functional.scaled_dot_product_attention(query, query, query)
        assert card.memory.peak - card.memory.now < 1.2 * query.nbytes, "the matrix would be 100 times as large"
        assert card.memory.kernels[-1].operations == 2 * 2 * 8 * 4096 * 4096 * 40


def test_inference_mode_hides_nothing():
    """There, torch hands over whole layers: what they allocate inside counts all the same."""
    with PaperCard() as card:
        layer = torch.nn.Conv2d(3, 8, 3, padding=1).to("cuda")
        picture = torch.zeros(1, 3, 64, 64, device="cuda")
        card.start_over()
        with torch.inference_mode():
            layer(picture)
        assert card.peak - card.memory.now == 8 * 64 * 64 * 4
        assert sum(kernel.operations for kernel in card.memory.kernels) == 2 * 64 * 64 * 8 * 3 * 9


def test_outside_the_card_torch_is_as_before():
    asked = torch.cuda.is_available()
    with PaperCard():
        assert torch.cuda.is_available()
    assert torch.cuda.is_available() == asked
    assert np.array_equal(torch.ones(2).numpy(), [1, 1])


def test_a_kernel_takes_as_long_as_its_arithmetic_or_its_traffic_and_no_less_than_starting_it():
    card = CARDS["RTX 3090"]
    arithmetic = Kernel(71 * 10**12, 10, torch.float16)
    traffic = Kernel(10, 936 * 10**9, torch.float16)
    assert least_seconds([arithmetic, traffic], card) == pytest.approx(2)
    assert least_seconds([Kernel(1, 1, torch.float16)] * 1000, card) == pytest.approx(5e-3)
    assert least_seconds([Kernel(71 * 10**12, 10, torch.float32)], card) == pytest.approx(71 / 35.6)


def test_every_number_is_one_and_the_code_takes_the_branch_that_goes_with_it():
    """Frames are finite and not black."""
    with PaperCard():
        frames = torch.zeros(2, 3, device="cuda")
        assert torch.isfinite(frames).all()
        assert frames.amax() > 0.5
        assert not frames.amax() < 0.5
        assert (frames.cpu().numpy() == 1).all()


@pytest.mark.parametrize("tokens", (1024, 1021))
def test_attention_with_a_mask_holds_that_once_for_all_heads_and_once_more_where_torch_pads_it(tokens):
    """And never the scores, of which there are 8 times as many."""
    with PaperCard() as card:
        query = torch.empty((1, 8, tokens, 64), dtype=torch.float16, device="cuda")
        mask = torch.ones((1, 1, tokens, tokens), dtype=torch.bool, device="cuda")
        card.start_over()
        before = card.memory.now
        torch.nn.functional.scaled_dot_product_attention(query, query, query, attn_mask=mask)
        numbers = 2 * mask.numel()
        most = numbers + (query.nbytes if tokens % 8 == 0 else numbers)  # the first copy is gone when the kernel starts
        assert card.peak - before == pytest.approx(most, rel=0.02)
