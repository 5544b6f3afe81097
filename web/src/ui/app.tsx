// The frame around both pages: who is looking, which theme, and the way past all that.

import { useCallback, useMemo, useState } from 'react';
import { AccessForm } from './access';
import { Dialog } from './dialog';
import { EntryPage } from './entry';
import { ListPage } from './list';
import { Link, PageHeading } from './parts';
import { EVERYTHING, addressOf, usePlace } from './route';
import { choose, useIsDark } from './theme';
import { door as findDoor, firstVisitor, LeaveContext, rememberAccount, type Visitor, VisitorContext } from './visitor';

export function App() {
  const door = useMemo(findDoor, []);
  const place = usePlace();
  const [visitor, setVisitor] = useState(() => firstVisitor(door));
  const [visits, setVisits] = useState(0);
  const [isLeaving, setIsLeaving] = useState(false);
  const leave = useCallback(() => setIsLeaving(true), []);
  const isOutside = door.needsKey && !visitor.key;

  const enter = (next: Visitor) => {
    rememberAccount(next.account);
    setVisitor(next);
    setVisits(visits + 1); // nothing of one account stays on the page of another
    setIsLeaving(false);
  };

  return (
    <VisitorContext value={visitor}>
      <LeaveContext value={leave}>
        <a className="skip" href="#content">
          Skip to the content
        </a>
        <header className="top">
          <Link to={addressOf(EVERYTHING)} className="brand">
            Patchbay
          </Link>
          {!isOutside && (
            <button type="button" className="account" onClick={leave}>
              <span className="unseen">Change account or key. </span>
              <span className="word">Account </span>
              <strong>{visitor.account || 'of the credentials'}</strong>
            </button>
          )}
          <ThemeSwitch />
        </header>
        <main id="content" tabIndex={-1}>
          {isOutside ? (
            <section className="narrow">
              <PageHeading title="Who are you?" />
              <AccessForm door={door} visitor={visitor} onEnter={enter} />
            </section>
          ) : place.page === 'list' ? (
            <ListPage key={visits} filter={place.filter} />
          ) : (
            <EntryPage key={`${visits} ${place.name}`} name={place.name} />
          )}
        </main>
        {isLeaving && (
          <Dialog title="Account" onClose={() => setIsLeaving(false)}>
            <AccessForm door={door} visitor={visitor} onEnter={enter} onCancel={() => setIsLeaving(false)} />
          </Dialog>
        )}
      </LeaveContext>
    </VisitorContext>
  );
}

function ThemeSwitch() {
  const isDark = useIsDark();
  return (
    <button type="button" className="quiet" aria-pressed={isDark} onClick={() => choose(isDark ? 'light' : 'dark')}>
      Dark
    </button>
  );
}
