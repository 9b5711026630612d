"""The web page as people meet it: in a real browser, against a real server."""

import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest

from graphrec.serving.keys import add_key
from tests.serving.serving_worlds import running, small_world

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VIEWS = ("overview", "try", "neighbours", "coverage")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser():
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if found is None or sync_playwright is None:
        missing = f"no browser: none of {', '.join(BROWSERS)} with Playwright"
        if os.environ.get("CI"):
            pytest.fail(f"{missing}, and CI has to test the page")
        pytest.skip(missing)
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return small_world(tmp_path_factory.mktemp("world") / "small")


@pytest.fixture(scope="module")
def url(world, tmp_path_factory):
    with running(world, tmp_path_factory.mktemp("open")) as found:
        yield found


@contextmanager
def visit(browser, url, view="overview", *, allowed=(), **options):
    """A page on a view; at its end nothing may have gone wrong or elsewhere.

    `allowed` are the statuses and failures of requests that the browser may tell of.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(8000)
    page = context.new_page()
    wrong, asked = [], []

    def told(message):
        of_request = re.search(r"status of (\d+)|net::(\w+)", message.text)
        is_allowed = of_request and (of_request[1] or of_request[2]) in allowed
        if message.type in ("error", "warning") and not is_allowed:
            wrong.append(f"{message.text} {message.location}")

    page.on("console", told)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/#{view}")
    try:
        yield page
        assert wrong == []
        assert {urlsplit(one).netloc for one in asked} == {urlsplit(url).netloc}
    finally:
        context.close()


def get(url, path, **parameters):
    answer = httpx2.get(url + path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def some_users(world, n):
    """Those with the longest histories at the start, longest first."""
    rows, often = np.unique(world.dataset.log.interactions().user_row, return_counts=True)
    return [world.dataset.ids["user"].key(int(row)) for row in rows[np.argsort(-often)][:n]]


def until(page, is_so, seconds=8):
    """Wait for a claim; Playwright's own wait for one needs `eval`, which the page forbids."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        page.wait_for_timeout(30)


def titles(page):
    return page.locator(".slate .item-title").all_inner_texts()


def marks(page):
    """What the page says of how each item of the slate got there."""
    rows = page.locator(".slate li").all()
    found = [row.locator(".move [aria-hidden]").all_inner_texts() for row in rows]
    return ["".join(texts) for texts in found]


def moves(before, after):
    """The same, from two slates."""
    old = {one["item_id"]: place for place, one in enumerate(before)}
    found = []
    for place, one in enumerate(after):
        by = old[one["item_id"]] - place if one["item_id"] in old else None
        found.append("new" if by is None else f"↑ {by}" if by > 0 else f"↓ {-by}" if by else "")
    return found


def ready(page, view):
    """Wait until a view shows what it is about."""
    what = {
        "overview": ".tile .value",
        "try": ".slate .item-title",
        "neighbours": ".graph .node",
        "coverage": ".plot",
    }[view]
    page.locator(f"#view-{view} {what}").first.wait_for()


def test_the_overview_tells_what_the_server_counts_and_goes_on(browser, url):
    with visit(browser, url) as page:
        ready(page, "overview")
        assert page.locator("#state-words").inner_text() == "Live"
        told = get(url, "/v1/admin/overview")
        known = page.locator(".facts").first.inner_text()
        assert f"{told['sizes']['users']:,}" in known and f"{told['sizes']['edges']:,}" in known
        assert page.locator(".chart svg").count() == 4
        event = {"event_type": "watch", "user_id": "counted", "item_id": "video-1"}
        for number in range(3):
            body = event | {"event_id": f"counted {number}"}
            assert httpx2.post(f"{url}/v1/events", json=body).status_code == 200
        page.locator(".facts", has_text="Events stored").wait_for()
        line = page.locator(".chart path.line.first").first
        until(page, lambda: "L" in line.get_attribute("d"))
        label = page.locator(".chart svg").first.get_attribute("aria-label")
        assert label.startswith("Events stored, a second: now ")


def test_tabs_follow_arrow_keys_and_the_address(browser, url):
    with visit(browser, url) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#tab-overview").focus()
        for key, view in (
            ("ArrowRight", "try"),
            ("ArrowRight", "neighbours"),
            ("End", "coverage"),
            ("ArrowRight", "overview"),
            ("ArrowLeft", "coverage"),
            ("Home", "overview"),
        ):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.id") == f"tab-{view}"
            until(page, lambda view=view: page.url.endswith(f"#{view}"))
            page.locator(f"#view-{view}").wait_for()
            assert page.locator("[role=tabpanel]:visible").count() == 1
            assert page.locator("[role=tab][tabindex='0']").count() == 1
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


def test_a_click_is_an_event_that_the_next_slate_knows_of(browser, url, world):
    user = some_users(world, 1)[0]
    with visit(browser, url, "try") as page:
        ready(page, "try")
        page.fill("#user-field", user)
        page.keyboard.press("Enter")
        page.locator("#slate-title", has_text=user).wait_for()
        page.locator(".history li:not(.plain)").first.wait_for()
        slate = get(url, f"/v1/users/{user}/recommendations", k=10)["items"]
        until(page, lambda: titles(page) == [one["title"] for one in slate])
        because = slate[0]["reasons"][0]["name"]
        assert f"because you watched {because}" in page.locator(".slate li").first.inner_text()
        assert page.locator(".slate .badge").first.inner_text() == "walk"
        chosen = slate[2]["title"]
        page.locator(".slate .item-title").nth(2).click()
        page.locator(".said", has_text="Stored in").wait_for()
        assert re.search(r"\d+ (new|moved|gone)", page.locator(".said").inner_text())
        assert chosen not in titles(page)
        assert chosen in page.locator(".gone").inner_text()
        until(page, lambda: page.locator(".history li").first.inner_text() == chosen)
        assert get(url, f"/v1/users/{user}/history")["items"][0]["title"] == chosen
        after = get(url, f"/v1/users/{user}/recommendations", k=10)["items"]
        assert titles(page) == [one["title"] for one in after]
        assert marks(page) == moves(slate, after)


def test_a_new_visitor_is_known_from_the_first_click(browser, url):
    with visit(browser, url, "try") as page:
        ready(page, "try")
        page.fill("#user-field", "")
        page.keyboard.press("Enter")
        page.locator("#slate-title", has_text="newcomer").wait_for()
        ready(page, "try")
        page.locator(".slate .item-title").first.click()
        assert "Choose a user first" in page.locator(".said").inner_text()
        page.get_by_role("button", name="Be a new visitor").click()
        page.locator("#slate-title", has_text="visitor-").wait_for()
        ready(page, "try")
        # By the keyboard, which stays in the slate.
        page.locator(".slate .item-title").first.focus()
        page.keyboard.press("Enter")
        page.locator(".said", has_text="Stored in").wait_for()
        assert page.evaluate("document.activeElement.className") == "item-title"
        page.locator(".history li:not(.plain)").first.wait_for()


def test_text_of_data_is_never_markup(browser, url):
    item = "<img src=x onerror=document.title='broken'>"
    event = {"event_id": "m", "event_type": "watch", "user_id": "<b>eve</b>", "item_id": item}
    assert httpx2.post(f"{url}/v1/events", json=event).status_code == 200
    with visit(browser, url, "try") as page:
        ready(page, "try")
        page.fill("#user-field", "<b>eve</b>")
        page.get_by_role("button", name="Show", exact=True).click()
        page.locator(".history li", has_text=item).wait_for()
        page.locator("#slate-title", has_text="Slate of <b>eve</b>").wait_for()
        page.goto(f"{url}/#neighbours={item}")
        page.locator("#centre-title", has_text=item).wait_for()
        assert page.locator("main img").count() == 0
        assert page.title() == "Neighbourhood · graphrec"


def test_names_searches_and_sliders_are_offered_where_the_server_has_them(browser, url, world):
    users = get(url, "/v1/users", prefix="", k=20)["users"]
    title = world.dataset.title(7)
    item = get(url, "/v1/search", q=title, k=8)["items"][0]
    asked = []

    with visit(browser, url) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.locator("#tab-try").click()
        page.locator("#slate-title", has_text=users[0]).wait_for()
        options = page.locator("#user-names option")
        assert [one.get_attribute("value") for one in options.all()] == users
        page.fill("#search-field", title)
        page.locator(".results .item-title", has_text=item["title"]).first.click()
        page.locator(".said", has_text="Stored in").wait_for()
        history = get(url, f"/v1/users/{users[0]}/history")["items"]
        assert history[0]["item_id"] == item["item_id"]
        page.fill("#user-field", users[3][:-1])
        until(page, lambda: any(f"prefix={users[3][:-1]}" in one for one in asked))
        page.get_by_label("Diversity").fill("0.5")
        assert page.get_by_label("Relevance").input_value() == "1"
        page.get_by_label("Novelty").fill("2")
        until(page, lambda: "diversity=0.5" in asked[-1] and "objective=novelty%3A2" in asked[-1])
        assert "relevance" not in asked[-1]


def test_the_page_does_without_what_the_server_lacks(browser, url):
    with visit(browser, url) as page:
        page.route("**/openapi.json", lambda route: route.fulfill(json={"paths": {}}))
        page.locator("#tab-try").click()
        ready(page, "try")
        assert page.locator("#search-field").count() == 0
        assert page.locator("#view-try input[type=range]").count() == 0


def test_the_neighbourhood_is_drawn_told_and_walked(browser, url):
    item = get(url, "/v1/recommendations", k=1)["items"][0]["item_id"]
    told = get(url, f"/v1/items/{item}/neighbours", k=16)
    with visit(browser, url, f"neighbours={item}") as page:
        ready(page, "neighbours")
        assert page.locator(".graph .node").count() == len(told["neighbours"]) > 3
        assert page.locator(".graph .edge").count() == len(told["neighbours"])
        rows = page.locator("tbody tr")
        assert rows.locator("th").all_inner_texts() == [n["title"] for n in told["neighbours"]]
        assert rows.first.locator("td").first.inner_text() == f"{told['neighbours'][0]['weight']:g}"
        widths = [
            float(one.get_attribute("stroke-width")) for one in page.locator(".graph .edge").all()
        ]
        assert widths == sorted(widths, reverse=True) and widths[0] > widths[-1]
        shades = {one.get_attribute("stroke-opacity") for one in page.locator(".edge").all()}
        assert len(shades) > 1
        drawn = page.locator(".graph").evaluate("one => one.outerHTML")
        page.reload()
        ready(page, "neighbours")
        assert page.locator(".graph").evaluate("one => one.outerHTML") == drawn
        second = told["neighbours"][1]
        page.locator(".graph .node .touch").nth(1).hover()
        assert f"{second['title']}: weight" in page.locator(".graph-detail").inner_text()
        third = told["neighbours"][2]
        page.locator(".graph .node").nth(2).focus()
        assert f"{third['title']}: weight" in page.locator(".graph-detail").inner_text()
        page.keyboard.press("Enter")
        page.locator("#centre-title", has_text=third["title"]).wait_for()
        assert page.locator("#item-field").input_value() == third["item_id"]
        page.go_back()
        page.locator("#centre-title", has_text=told["item"]["title"]).wait_for()
        page.locator(".graph .node .touch").nth(1).click()
        page.locator("#centre-title", has_text=second["title"]).wait_for()
        page.locator("#many").fill("4")
        until(page, lambda: page.locator(".graph .node").count() == 4)


def test_an_item_that_nobody_knows_is_told_in_words(browser, url):
    with visit(browser, url, "neighbours", allowed=("404",)) as page:
        ready(page, "neighbours")
        page.fill("#item-field", "no such item")
        page.keyboard.press("Enter")
        page.locator(".trouble", has_text="unknown item 'no such item'").wait_for()


def test_coverage_is_that_of_the_slates_shown(browser, url):
    for user in ("a", "b"):
        get(url, f"/v1/users/{user}/recommendations", k=20)
    with visit(browser, url, "coverage") as page:
        ready(page, "coverage")
        told = get(url, "/v1/admin/coverage")
        tiles = page.locator("#view-coverage .tiles").inner_text()
        assert f"{told['n_shown']:,} of {told['n_items']:,} items" in tiles
        assert f"{told['gini']:.3f}" in tiles
        labels = [one.get_attribute("aria-label") for one in page.locator(".plot").all()]
        assert labels[0].startswith("Lorenz curve. The less shown half")
        most = f"{told['watched_by_rank'][0]['n']:,} watches"
        assert labels[1].endswith(most)


def test_a_key_is_asked_for_kept_in_the_tab_and_sent(browser, world, tmp_path):
    path = tmp_path / "keys.json"
    admin, reader = add_key(path, "admin", ["admin"]), add_key(path, "reader", ["read"])
    with (
        running(world, tmp_path, path) as url,
        visit(browser, url, allowed=("401", "403")) as page,
    ):
        page.locator("#key-banner", has_text="asks for an API key").wait_for()
        page.get_by_role("button", name="Enter a key").click()
        assert page.evaluate("document.activeElement.id") == "key-field"
        page.fill("#key-field", "grk_wrong")
        page.keyboard.press("Enter")
        page.locator("#key-banner", has_text="does not know this key").wait_for()
        page.get_by_role("button", name="API key").click()
        page.fill("#key-field", reader)
        page.get_by_role("button", name="Use this key").click()
        page.locator("#key-banner", has_text="scope admin").wait_for()
        page.locator("#tab-try").click()
        ready(page, "try")
        page.get_by_role("button", name="API key").click()
        page.fill("#key-field", admin)
        page.get_by_role("button", name="Use this key").click()
        page.locator("#tab-overview").click()
        ready(page, "overview")
        assert page.locator("#key-banner").is_hidden()
        kept = page.evaluate("[{...sessionStorage}, {...localStorage}, document.cookie]")
        assert kept == [{"graphrec-key": admin}, {}, ""]
        page.get_by_role("button", name="API key").click()
        page.get_by_role("button", name="Forget it").click()
        page.locator("#key-banner", has_text="asks for an API key").wait_for()
        assert page.evaluate("sessionStorage.length") == 0


def test_a_theme_is_chosen_and_kept(browser, url):
    with visit(browser, url, color_scheme="light") as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        page.get_by_role("button", name="Dark theme").click()
        dark = page.evaluate(ground)
        assert dark != light
        page.reload()
        assert page.evaluate(ground) == dark
        page.get_by_role("button", name="Light theme").click()
        assert page.evaluate(ground) == light
    with visit(browser, url, color_scheme="dark") as page:
        assert page.evaluate(ground) == dark


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_is_out_of_anyones_reach(browser, url, theme):
    from axe_playwright_python.sync_playwright import Axe

    with visit(browser, url, color_scheme=theme, reduced_motion="reduce") as page:
        for view in VIEWS:
            page.locator(f"#tab-{view}").click()
            ready(page, view)
            page.mouse.move(0, 0)
            found = Axe().run(page).response
            assert len(found["passes"]) > 10
            bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
            assert bad == [], json.dumps(bad, indent=1)[:2000]
        page.get_by_role("button", name="API key").click()
        found = Axe().run(page).response["violations"]
        assert [one for one in found if one["impact"] in ("serious", "critical")] == []


def test_nothing_is_wider_than_a_phone_and_nothing_moves_unasked(browser, url, world):
    with visit(browser, url, viewport=PHONE, reduced_motion="reduce") as page:
        for view in VIEWS:
            page.locator(f"#tab-{view}").click()
            ready(page, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.locator("#tab-try").click()
        page.fill("#user-field", some_users(world, 3)[2])
        page.keyboard.press("Enter")
        page.locator(".history li:not(.plain)").first.wait_for()
        page.locator(".slate .item-title").nth(1).click()
        page.locator(".slate li.changed").first.wait_for()
        animation = "getComputedStyle(document.querySelector('.slate li.changed')).animationName"
        assert page.evaluate(animation) == "none"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_server_that_is_gone_is_told(browser, url):
    with visit(browser, url, allowed=("ERR_FAILED",)) as page:
        ready(page, "overview")
        page.route("**/v1/**", lambda route: route.abort())
        page.locator("#state[data-state=bad]").wait_for()
        assert "cannot be reached" in page.locator(".trouble").inner_text()
        page.unroute("**/v1/**")
        page.locator("#state[data-state=good]").wait_for()
        page.locator(".trouble").wait_for(state="detached")
