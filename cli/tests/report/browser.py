#!/usr/bin/env python3
"""Opens pages of `resnetc report` in Chromium and checks them.

    pip install playwright          # the browser itself comes from the system, or from `playwright install chromium`
    resnetc report cifar_resnet20 -o report.html
    python cli/tests/report/browser.py report.html --screenshots DIR [--chromium /usr/bin/chromium]

Checks that no page loads anything from a network or reports an error, every plot has marks of some size, no page is
wider than the screen, and a mark shows its text on tap, on hover and by keyboard; and that without scripts all text
is there. Writes a screenshot of each section, for a phone and a desktop, in light and dark.
"""

import argparse
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

SCREENS = {"phone": (390, 844), "desk": (1280, 900)}
SCHEMES = ("light", "dark")

# Every plot, how many marks it has, and how many of them are visible.
PLOTS = """() => Object.fromEntries([...document.querySelectorAll("[data-plot]")].map(plot => {
  const marks = [...plot.querySelectorAll("[data-mark]")];
  const seen = marks.filter(m => { const b = m.getBoundingClientRect(); return b.width > 0 && b.height > 0; });
  return [plot.dataset.plot, [marks.length, seen.length]];
}))"""

WIDTHS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"

# Text of a plot that overlaps other text of the same plot.
OVERLAPS = """() => [...document.querySelectorAll("svg.plot")].flatMap(plot => {
  const texts = [...plot.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
  const hit = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return texts.flatMap(([t, a], i) => texts.slice(i + 1).filter(([_, b]) => hit(a, b)).map(([u]) => `${t} | ${u}`));
})"""


def check(condition, message, faults):
    if not condition:
        faults.append(message)


def open_page(browser, file, screen, scheme, faults, script=True):
    width, height = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        has_touch=screen == "phone",
        java_script_enabled=script,
    )
    page = context.new_page()
    where = f"{file.name}, {screen}, {scheme}"
    page.on("console", lambda m: faults.append(f"{where}: {m.type}: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: faults.append(f"{where}: {e}"))

    def request(r):
        is_own = r.url == file.as_uri() or r.url.startswith("data:")
        check(is_own, f"{where}: asks for {r.url}", faults)

    page.on("request", request)
    page.goto(file.as_uri())
    return context, page, where


def look(page, where, faults):
    plots = page.evaluate(PLOTS)
    check(plots, f"{where}: no plots", faults)
    for name, (marks, seen) in plots.items():
        check(0 < marks == seen, f"{where}: {name} shows {seen} of {marks} marks", faults)
    wide, room = page.evaluate(WIDTHS)
    check(wide <= room, f"{where}: {wide} pixels wide, there are {room}", faults)
    for overlap in page.evaluate(OVERLAPS):
        faults.append(f"{where}: texts overlap: {overlap}")
    return plots


def point(page, where, screen, faults):
    """Tap or hover the first mark of each plot, then walk on by keyboard."""
    readout = page.locator("#readout")
    for plot in page.locator("[data-plot]").all():
        name = plot.get_attribute("data-plot")
        mark = plot.locator("[data-mark]").first
        mark.scroll_into_view_if_needed()
        page.keyboard.press("Escape")
        check(not readout.is_visible(), f"{where}: {name}: Escape leaves the text", faults)
        mark.dispatch_event("click") if screen == "phone" else mark.hover(force=True)
        first = mark.locator("title").first.text_content()
        told = readout.text_content()
        check(readout.is_visible() and told, f"{where}: {name}: nothing is told", faults)
        if screen == "phone":
            check(told == first, f"{where}: {name}: tells {told!r}", faults)
        plot.focus()
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
        check(readout.text_content() == first, f"{where}: {name}: the arrow key finds no first mark", faults)
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.keyboard.press("Escape")


def pictures(page, folder, stem):
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    page.screenshot(path=folder / f"{stem}-top.png")
    for section in page.locator("main > section").all():
        name = section.get_attribute("id")
        section.screenshot(path=folder / f"{stem}-{name}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for the pictures")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser's program")
    args = parser.parse_args()
    faults = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        for file in (page.resolve() for page in args.pages):
            for screen in SCREENS:
                for scheme in SCHEMES:
                    context, page, where = open_page(browser, file, screen, scheme, faults)
                    plots = look(page, where, faults)
                    point(page, where, screen, faults)
                    if args.screenshots:
                        args.screenshots.mkdir(parents=True, exist_ok=True)
                        pictures(page, args.screenshots, f"{file.stem}-{screen}-{scheme}")
                    with_script = page.locator("main").text_content()
                    context.close()
            context, page, where = open_page(browser, file, "phone", "light", faults, script=False)
            check(page.locator("main").text_content() == with_script, f"{where}: text needs the script", faults)
            context.close()
            print(file.name, ", ".join(f"{name} {marks}" for name, (marks, _) in plots.items()))
        browser.close()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
