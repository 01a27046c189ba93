// SPDX-License-Identifier: Apache-2.0

// What the sign-up page can do better with a script: show the password instead of asking for it twice, say while one
// types whether a name is free and a password good, and send a form once only. Nothing here is needed.
'use strict';

document.documentElement.classList.add('js');

document.addEventListener('DOMContentLoaded', () => {
  const form = document.getElementById('register');
  if (!form) return;
  const byId = (id) => document.getElementById(id);
  byId('again-field').remove();
  showPassword(byId('password'), byId('show'));
  watchPassword(byId('name'), byId('password'), byId('password-error'), byId('bar'));
  watchName(form.dataset.check, byId('name'), byId('name-error'), byId('name-names'));
  sendOnce(form, byId('send'));
});

function showPassword(input, button) {
  button.hidden = false;
  const draw = () => {
    const shown = input.type === 'text';
    button.textContent = shown ? button.dataset.hide : button.dataset.show;
    button.setAttribute('aria-label', shown ? button.dataset.hideLabel : button.dataset.showLabel);
  };
  button.addEventListener('click', () => {
    input.type = input.type === 'text' ? 'password' : 'text';
    draw();
    input.focus();
  });
  // Browsers remember and offer only what was a password field when it was sent.
  input.form.addEventListener('submit', () => {
    input.type = 'password';
    draw();
  });
  draw();
}

// strength follows portal/password.go: 0 too short, 1 easy to guess, 2 good, 3 very good.
function strength(name, password, min) {
  const chars = [...password.toLowerCase()];
  if (chars.length < min) return 0;
  let steps = 0;
  for (let i = 1; i < chars.length; i++) {
    const d = chars[i].codePointAt(0) - chars[i - 1].codePointAt(0);
    if (d >= -1 && d <= 1) steps++;
  }
  if (new Set(chars).size < 6 || steps * 2 >= chars.length) return 1;
  return chars.length >= 16 ? 3 : 2;
}

function watchPassword(name, input, say, bar) {
  const min = Number(say.dataset.min);
  input.addEventListener('input', () => {
    const password = input.value;
    const missing = min - [...password].length;
    const own = name.value.trim().toLowerCase();
    const level = strength(own, password, min);
    wrong(input, false);
    bar.hidden = password === '';
    bar.dataset.level = String(level);
    if (password === '') tell(say, '', '');
    else if (missing > 0) tell(say, 'weak', missing === 1 ? say.dataset.one : say.dataset.other.replace('{n}', String(missing)));
    else if (own.length > 0 && password.toLowerCase().includes(own)) {
      bar.dataset.level = '0';
      tell(say, 'bad', say.dataset.name);
    } else if (level === 1) tell(say, 'weak', say.dataset.weak);
    else tell(say, 'good', level === 3 ? say.dataset.strong : say.dataset.good);
  });
}

function watchName(url, input, say, names) {
  let timer = 0;
  let asked = 0;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    asked++;
    wrong(input, false);
    tell(say, '', '');
    suggest([]);
    if (input.value.trim() !== '') timer = setTimeout(ask, 400);
  });
  names.addEventListener('click', (event) => {
    const chosen = event.target.closest('button');
    if (!chosen) return;
    input.value = chosen.textContent;
    input.focus();
    suggest([]);
    ask();
  });
  suggest([...names.querySelectorAll('b')].map((b) => b.textContent));

  async function ask() {
    const mine = ++asked;
    try {
      const answer = await fetch(url + '?q=' + encodeURIComponent(input.value), { headers: { Accept: 'application/json' } });
      if (!answer.ok) return;
      const found = await answer.json();
      if (mine !== asked) return; // typed on meanwhile
      wrong(input, !found.free);
      tell(say, found.free ? 'good' : 'bad', found.text);
      suggest(found.names);
    } catch {
      // The form will tell.
    }
  }

  function suggest(list) {
    names.hidden = list.length === 0;
    names.replaceChildren();
    if (list.length === 0) return;
    const text = document.createElement('span');
    text.textContent = names.dataset.try;
    names.append(text);
    for (const name of list) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = name;
      names.append(button);
    }
  }
}

function sendOnce(form, button) {
  const label = button.textContent;
  let sent = false;
  form.addEventListener('submit', (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    button.textContent = form.dataset.busy;
    button.setAttribute('aria-disabled', 'true');
  });
  addEventListener('pageshow', () => { // back again, by the browser's button
    sent = false;
    button.textContent = label;
    button.removeAttribute('aria-disabled');
  });
}

function tell(say, kind, text) {
  say.className = kind === '' ? 'say' : 'say ' + kind;
  say.textContent = text;
}

function wrong(input, is) {
  input.closest('.field').classList.toggle('wrong', is);
  if (is) input.setAttribute('aria-invalid', 'true');
  else input.removeAttribute('aria-invalid');
}
