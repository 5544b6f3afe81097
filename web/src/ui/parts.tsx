// Small things that both pages are made of.

import { type ComponentProps, type ReactNode, useEffect, useRef } from 'react';
import type { Failure } from './api';
import type { CardFragment } from './operations';
import { cameFromElsewhere, navigate } from './route';
import { useLeave } from './visitor';

/** A link within the gallery; with a modifier key it does what links do. */
export function Link({ to, onFollow, ...rest }: Omit<ComponentProps<'a'>, 'href' | 'onClick'> & { to: string; onFollow?: () => void }) {
  return (
    <a
      {...rest}
      href={to}
      onClick={event => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        onFollow?.();
        navigate(to);
      }}
    />
  );
}

/** A link out of it. Entries come from people: an address of another kind than HTTP is no link. */
export function Outside({ to, about, children }: { to: string; about?: string; children: ReactNode }) {
  if (!/^https?:\/\//i.test(to)) return children;
  return (
    <a href={to} target="_blank" rel="noreferrer">
      {children}
      <span className="unseen">{about && ` about ${about}`} (opens in a new tab)</span>
    </a>
  );
}

/** The heading of a page: names it in the title, and takes the focus when one arrives. */
export function PageHeading({ title, focus = true, children }: { title: string; focus?: boolean; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Patchbay`;
  }, [title]);
  useEffect(() => {
    if (focus && cameFromElsewhere()) heading.current?.focus({ preventScroll: true });
  }, [focus]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? title}
    </h1>
  );
}

/** Stands for a logo: two letters, on a colour that the name decides. */
export function Monogram({ name, displayName, large = false }: { name: string; displayName: string; large?: boolean }) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.charCodeAt(0)) % 9973;
  return (
    <span className={`monogram hue-${sum % 12}${large ? ' large' : ''}`} aria-hidden="true">
      {letters(displayName)}
    </span>
  );
}

function letters(displayName: string): string {
  const words = displayName.match(/[\p{L}\p{N}]+/gu) ?? ['?'];
  const [first = '?', second] = words.map(word => [...word]);
  return second ? `${first[0]}${second[0]}`.toUpperCase() : `${first[0]?.toUpperCase()}${first[1] ?? ''}`;
}

/** What is worth knowing of an entry at a glance. */
export function Badges({ entry }: { entry: CardFragment }) {
  const isInstalled = entry.status === 'INSTALLED';
  const isIncomplete = isInstalled && entry.missingFields.length > 0;
  return (
    <>
      {isInstalled && <span className="badge good">Installed</span>}
      {isIncomplete && <span className="badge warning">Incomplete</span>}
      {entry.isCustom && <span className="badge">Custom</span>}
      {entry.differsFromDefault && <span className="badge">Edited</span>}
      {entry.state === 'DEPRECATED' && <span className="badge warning">Deprecated</span>}
    </>
  );
}

/** Says what went wrong and what can be done. */
export function Trouble({ failure, onRetry }: { failure: Failure; onRetry?: () => void }) {
  const leave = useLeave();
  return (
    <div className="trouble" role="alert">
      <h2>{failure.title}</h2>
      {failure.message && <p>{failure.message}</p>}
      <div className="row">
        {onRetry && (
          <button type="button" onClick={onRetry}>
            Try again
          </button>
        )}
        {failure.isAboutTheVisitor && (
          <button type="button" onClick={leave}>
            Change account or key
          </button>
        )}
      </div>
    </div>
  );
}
