// What is chosen on the page, as words in its address: #sampler=heun&x.end=steps&sort=NFE+down

// Each remembers one thing: the keys it has, what is chosen as [key, value] pairs, none for what the page opens with,
// and how to choose what an address says (key -> values); a key that is not there means what the page opens with.
const memories = [];
const remember = (keys, pairs, take) => memories.push({ keys, pairs, take });

let place = ""; // id of the part of the page that a link led to, until something is chosen
remember(["at"], () => (place ? [["at", place]] : []), (found) => { [place = ""] = found.get("at") ?? []; });

// Half letters have no place in an address.
const whole = (text) => text.replace(/\p{Cs}/gu, "\ufffd");
const readable = (text) => encodeURIComponent(whole(text)).replace(/%20/g, "+").replace(/%(2C|3A|2F|3B|40|24)/g, decodeURIComponent);

function read(hash) {
  const found = new Map();
  for (const part of hash.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at < 1) continue;
    let key, value;
    try {
      [key, value] = [part.slice(0, at), part.slice(at + 1)].map((text) => decodeURIComponent(text.replaceAll("+", " ")));
    } catch {
      continue; // no percent-encoding: nothing of ours
    }
    found.set(key, [...(found.get(key) ?? []), value]);
  }
  return found;
}

const address = () => memories.flatMap((m) => m.pairs()).map((pair) => pair.map(readable).join("=")).join("&");

// Says in the address what is now chosen, or the part of the page that is gone to; a large change is one that "back" takes back.
function keep(large = false, part = "") {
  place = part;
  const hash = address();
  if (hash === location.hash.slice(1)) return;
  const [page] = location.href.split("#");
  try {
    history[large ? "pushState" : "replaceState"](null, "", hash ? `${page}#${hash}` : page);
  } catch {
    // a page without an address of its own, as in a preview: it works, and nothing is kept
  }
}

// Chooses what the address says. What names nothing of this page, as a link to a part of it, changes nothing.
function follow() {
  const found = read(location.hash);
  const known = new Set(memories.flatMap((m) => m.keys));
  if (location.hash.length > 1 && ![...found.keys()].some((key) => known.has(key))) return false;
  memories.forEach((m) => m.take(found));
  return true;
}

// One of a few words, which the page opens with `first`.
function rememberWord(key, words, now, choose) {
  const first = now();
  remember([key], () => (now() === first ? [] : [[key, now()]]), (found) => {
    const [word] = found.get(key) ?? [];
    choose(words.find((each) => whole(each) === word) ?? first);
  });
}

// Some of several words: those that are on or, where these are fewer, those that are off, as key!=word.
function rememberSome(key, words, on) {
  const first = [...on], off = `${key}!`;
  const pairs = () => {
    const [there, away] = [words.filter((w) => on.has(w)), words.filter((w) => !on.has(w))];
    if (there.length === first.length && first.every((w) => on.has(w))) return [];
    if (!there.length) return [[key, ""]];
    return there.length <= away.length ? there.map((w) => [key, w]) : away.map((w) => [off, w]);
  };
  remember([key, off], pairs, (found) => {
    const named = (k) => words.filter((w) => found.get(k)?.includes(whole(w)));
    const nothing = found.get(key)?.join("") === "" && !words.includes("");
    const away = named(off);
    let chosen = named(key);
    if (!chosen.length && !nothing) chosen = away.length ? words.filter((w) => !away.includes(w)) : first;
    on.clear();
    chosen.forEach((w) => on.add(w));
  });
}
