'use strict';
// The console: one page, no build step. It calls the public API with a service key, nothing else.

const $ = (id) => document.getElementById(id);
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
};
const state = { viewer: null, deck: null, cursor: null, names: new Map() };

// ---- the API --------------------------------------------------------------

$('key').value = localStorage.getItem('hongniang.key') || document.querySelector('meta[name=service-key]').content;
$('key').addEventListener('change', () => { localStorage.setItem('hongniang.key', $('key').value); loadPeople(); loadJobs(); });

async function api(path, options = {}) {
  const headers = { authorization: `Bearer ${$('key').value}`, 'content-type': 'application/json', ...options.headers };
  const reply = await fetch(path, { ...options, headers });
  const body = reply.status === 204 ? null : await reply.json().catch(() => null);
  if (!reply.ok) throw new Error(body && body.title ? `${body.title}${body.detail ? ': ' + body.detail : ''}` : `HTTP ${reply.status}`);
  return body;
}

function complain(error) { $('note').textContent = error ? error.message : ''; }

// ---- people ---------------------------------------------------------------

let peopleTimer;
$('people-q').addEventListener('input', () => { clearTimeout(peopleTimer); peopleTimer = setTimeout(loadPeople, 200); });

async function loadPeople() {
  try {
    const q = $('people-q').value.trim();
    const page = await api(`/v1/users?limit=60${q ? '&q=' + encodeURIComponent(q) : ''}`);
    if (q !== $('people-q').value.trim()) return; // typed on meanwhile
    $('people-count').textContent = page.total !== undefined ? `${page.total.toLocaleString()} in all` : '';
    $('people').replaceChildren(...page.items.map((person) => el('button', {
      className: 'person', value: person.user_id, onclick: () => pick(person.user_id),
    }, el('b', { textContent: named(person) }), ' ', el('span', { textContent: who(person) }))));
    mark();
    if (!page.items.length) $('people').replaceChildren(el('div', { className: 'empty', textContent: q ? 'Nobody found.' : 'Nobody here yet: `hongniang simulate` grows a town.' }));
    complain(null);
  } catch (error) { complain(error); }
}

// Filters tell ids only; whoever was seen on the page is called by name.
const named = (person) => { state.names.set(person.user_id, person.nickname); return person.nickname; };
const mark = () => { for (const button of document.querySelectorAll('#people .person')) button.classList.toggle('on', button.value === state.viewer); };
const who = (person) => [person.gender, person.age, person.city].filter((x) => x !== null && x !== undefined && x !== '').join(' · ');
const chips = (tags, kind = '') => (tags || []).map((tag) => el('span', { className: `chip ${kind}`, textContent: typeof tag === 'string' ? tag : tag.tag }));

async function pick(id) {
  state.viewer = id;
  location.hash = id;
  mark();
  try {
    const person = await api(`/v1/users/${id}`);
    if (state.viewer !== id) return; // somebody else was picked meanwhile
    const profile = person.profile || person;
    $('viewer-title').replaceChildren(profile.nickname, el('small', { textContent: who(person) || who(profile) }));
    const wants = profile.preferences || {};
    const looks = `looks for ${(wants.genders || []).join(', ') || 'anyone'}, ${wants.min_age}–${wants.max_age}${wants.max_distance_km ? `, within ${wants.max_distance_km} km` : ''}`;
    $('viewer').replaceChildren(el('div', { textContent: profile.bio || '' }), el('div', { className: 'muted', textContent: looks }), ...chips(profile.tags));
    await deal(null);
  } catch (error) { complain(error); }
}

// ---- the deck -------------------------------------------------------------

// These buttons are at the page's end; what they give begins at its top.
const turn = async (cursor) => { await deal(cursor); $('viewer-title').parentNode.scrollIntoView(); };
$('more').addEventListener('click', () => turn(state.cursor));
$('again').addEventListener('click', () => turn(null));

async function deal(cursor) {
  const { viewer } = state;
  if (!viewer) return;
  try {
    const page = await api(`/v1/recommendations?viewer=${viewer}&limit=8${cursor ? '&cursor=' + encodeURIComponent(cursor) : ''}`);
    const why = page.deck_id ? await api(`/v1/recommendations/${page.deck_id}/explain`) : { shown: [], removed: [] };
    if (state.viewer !== viewer) return; // somebody else was picked meanwhile
    Object.assign(state, { deck: page.deck_id, cursor: page.cursor });
    $('deck').textContent = page.degraded && page.degraded.length ? `degraded: ${page.degraded.join(', ')}` : page.deck_id ? `deck ${page.deck_id.slice(0, 13)}` : '';
    const terms = new Map((why.shown || []).map((item) => [item.user_id, item]));
    const cards = page.items.map((item, i) => card(item, terms.get(item.user_id), i === 0));
    $('shown').replaceChildren(...(cards.length ? cards : [el('div', { className: 'empty', textContent: 'Nobody left to show: everyone suitable was shown within the window.' })]));
    $('more').hidden = !page.cursor;
    $('again').hidden = false;
    $('state').textContent = '';
    showRemoved(why.removed || []);
    complain(null);
  } catch (error) { complain(error); }
}

function card(item, why, open) {
  const { viewer, deck } = state;
  const act = (kind, done) => async () => {
    for (const button of buttons) button.disabled = true;
    try {
      const body = { items: [{ kind, actor_id: viewer, target_id: item.user_id, deck_id: deck, position: item.position }] };
      const reply = await api('/v1/interactions', { method: 'POST', body: JSON.stringify(body) });
      const failed = (reply.items || []).find((one) => one.error);
      if (failed) throw new Error(JSON.stringify(failed.error));
      // The others of the page stay: they count as shown, and a new deck would not bring them back.
      box.classList.add('done');
      buttons[0].parentNode.replaceChildren(el('span', { className: 'muted', textContent: done }));
      $('state').textContent = `${item.nickname} ${done}: the next deck will know`;
      complain(null);
    } catch (error) {
      for (const button of buttons) button.disabled = false;
      complain(error);
    }
  };
  const buttons = [el('button', { className: 'like', textContent: '♥ Like', onclick: act('like', 'liked') }), el('button', { textContent: 'Pass', onclick: act('pass', 'passed') })];
  const box = el('div', { className: 'card' },
    el('div', { className: 'top' },
      el('div', {}, el('b', { textContent: named(item) }), ' ', el('span', { className: 'muted', textContent: [item.age, item.city, item.distance].filter(Boolean).join(' · ') })),
      el('div', { className: 'acts' }, el('span', { className: 'score', title: 'score', textContent: Number(item.score).toFixed(3) }), buttons)),
    el('div', {}, (item.reasons || []).map((reason) => el('div', { textContent: reason }))),
    el('div', {}, chips((item.tags || []).slice(0, 8)), chips((why && why.sources) || [], 'src')),
    why ? bars(why, open) : null);
  return box;
}

function bars(why, open) {
  const rows = (why.terms || []).map((term) => {
    const share = Math.max(0, Math.min(1, Number(term.value)));
    const back = String(term.side || term.name).includes('candidate') ? 'back' : '';
    return [el('span', { textContent: `${term.name}${term.side ? ' · ' + term.side : ''}` }),
      el('div', { className: 'bar', title: `value ${share.toFixed(3)} × weight ${Number(term.weight).toFixed(3)}` }, el('i', { className: back, style: `width:${share * 100}%` })),
      el('span', { className: 'score', textContent: `${Number(term.contribution) < 0 ? '' : '+'}${Number(term.contribution).toFixed(3)}` })];
  });
  return el('details', { open }, el('summary', { textContent: `why: ${(why.terms || []).length} terms` }), el('div', { className: 'bars' }, rows));
}

function showRemoved(removed) {
  const groups = new Map();
  for (const one of removed) groups.set(one.filter, [...(groups.get(one.filter) || []), one]);
  $('removed-count').textContent = removed.length ? `${removed.length} people` : '';
  const sorted = [...groups].sort((a, b) => b[1].length - a[1].length);
  $('removed').replaceChildren(...(sorted.length ? sorted.map(([filter, people]) => el('details', {},
    el('summary', {}, el('span', { className: 'chip bad', textContent: filter }), ` ${people.length}`),
    people.slice(0, 30).map((one) => el('div', { className: 'muted', textContent: `${state.names.get(one.user_id) || ''} ${one.user_id}: ${one.reason}` })))) : [el('span', { className: 'muted', textContent: 'Nobody was removed.' })]));
}

// ---- search ---------------------------------------------------------------

let searchTimer;
$('q').addEventListener('input', () => { clearTimeout(searchTimer); searchTimer = setTimeout(search, 250); });

async function search() {
  const q = $('q').value.trim();
  if (!q) { $('hits').replaceChildren(); return; }
  try {
    const page = await api(`/v1/search?q=${encodeURIComponent(q)}&limit=8${state.viewer ? '&viewer=' + state.viewer : ''}`);
    if (q !== $('q').value.trim()) return; // typed on meanwhile
    $('hits').replaceChildren(...page.items.map((hit) => {
      const snippet = el('div', { className: 'hit' });
      snippet.innerHTML = hit.snippet || ''; // the server escapes the text and adds <b>
      const line = el('div', { className: 'card' }, el('button', { className: 'person', onclick: () => pick(hit.user_id) },
        el('b', { textContent: hit.nickname || hit.title || hit.user_id }), ' ', el('span', { textContent: hit.kind || '' })), snippet);
      return line;
    }));
    if (!page.items.length) $('hits').replaceChildren(el('div', { className: 'empty', textContent: 'Nothing found.' }));
  } catch (error) { complain(error); }
}

// ---- jobs -----------------------------------------------------------------

async function loadJobs() {
  try {
    const reply = await api('/v1/jobs');
    const rows = (reply.jobs || []).map((job) => {
      const good = job.state === 'running';
      const lag = job.lag === null || job.lag === undefined ? '' : job.lag.toLocaleString();
      return el('tr', { title: job.last_error || '' }, el('td', {}, el('i', { className: `dot ${good ? (job.lag > 10000 ? 'warn' : '') : 'bad'}` }), job.name),
        el('td', { textContent: job.state }), el('td', { className: 'n', textContent: lag }), el('td', { className: 'n', textContent: job.restarts }));
    });
    $('jobs').replaceChildren(el('table', {}, el('tr', {}, el('th', { textContent: 'job' }), el('th', { textContent: 'state' }), el('th', { className: 'n', textContent: 'lag' }), el('th', { className: 'n', textContent: 'restarts' })), rows));
  } catch (error) { $('jobs').textContent = error.message; }
}

const follow = () => { const id = location.hash.slice(1); if (id && id !== state.viewer) pick(id); };
window.addEventListener('hashchange', follow); // the browser's back button goes to whoever was looked at before
loadPeople().then(follow);
loadJobs();
setInterval(loadJobs, 2000);
