// What the page of braidctl web names beside itself.
#include "apps/braidctl/web_page.h"

namespace braid::braidctl {

std::string_view web_script() {
  return R"js('use strict';
// The server sends what <main> is to be; what was unfolded, looked at or marked stays so.
const main = document.querySelector('main');

function focused() {
  const at = document.activeElement;
  if (!at || !main.contains(at)) return null;
  const fold = at.closest('details');
  return fold && at.tagName === 'SUMMARY' ? fold.id : '';
}

function show(event) {
  const focus = focused();
  // A button that has the focus is about to be pressed, text that is marked to be copied.
  if (focus === '' || !getSelection().isCollapsed) return;
  const open = new Set([...main.querySelectorAll('details[open]')].map((each) => each.id));
  main.innerHTML = JSON.parse(event.data);
  for (const each of main.querySelectorAll('details')) each.open = open.has(each.id);
  if (focus) document.getElementById(focus)?.querySelector('summary').focus();
  document.title = main.querySelector('.state.bad') ? 'braid: trouble' : 'braid';
}

function watch() {
  const live = new EventSource('/live');
  live.onmessage = show;
  live.onerror = () => {
    const state = main.querySelector('.state');
    state.className = 'state bad';
    state.textContent = 'no connection to braidctl web; what follows is old';
    // A browser does not try again where the answer was no.
    if (live.readyState === EventSource.CLOSED) setTimeout(watch, 5000);
  };
}
watch();
)js";
}

std::string_view web_style() {
  return R"css(:root {
  color-scheme: light dark;
  --line: #8883;
  --good: #2a7d3c;
  --bad: #b3261e;
  --warn: #8a5a00;
}
@media (prefers-color-scheme: dark) { :root { --bad: #f2766c; --warn: #e0a94a; } }
* { box-sizing: border-box; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 0 1rem 2rem; }
h1 { font-size: 1.1rem; margin: .8rem 0 .4rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
.state { font-size: 1.25rem; margin: 0; padding: .5rem .8rem; border-radius: .5rem; color: #fff; overflow-wrap: anywhere; }
.state.good { background: var(--good); }
.state.bad { background: #b3261e; }
ul { margin: .5rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.bad { color: var(--bad); font-weight: 600; }
.warning { color: var(--warn); }
.state.bad, .state.good { color: #fff; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .6rem; margin: .8rem 0; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .7rem; }
.tile b { display: block; font-size: 1.3rem; white-space: nowrap; }
.tile span, .dim, .foot { opacity: .7; font-size: .88rem; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .3rem 0; padding: .35rem .7rem; }
details p, .about { margin: .4rem 0; overflow-wrap: anywhere; }
.about form { margin-left: .5rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.wide + .wide { margin-top: .6rem; }
table { border-collapse: collapse; font-size: .88rem; }
th { font-weight: 600; opacity: .7; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.text { overflow-wrap: anywhere; min-width: 12rem; }
td.nowrap { white-space: nowrap; }
meter { width: 5rem; margin-right: .4rem; }
form { display: inline; }
button { font: inherit; font-size: .85rem; padding: .05rem .6rem; }
)css";
}

}  // namespace braid::braidctl
