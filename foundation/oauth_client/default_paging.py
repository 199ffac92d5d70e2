"""How lists commonly continue: where an answer names its next page, and by which sign it says that there is more.

Data, in the format of a provider profile where it fits. `paging` of a profile comes first. Places are JSON pointers;
each name is looked for in the answer itself, in the objects around its rows, and in each of `WRAPPERS` within these.
"""

from foundation.oauth_client.provider_profile.format import Paging

WRAPPERS = (
    "", "/meta", "/pagination", "/paging", "/meta/pagination", "/meta/page", "/page", "/pageInfo", "/page_info",
    "/_meta", "/metadata", "/response_metadata", "/additional_data", "/additional_data/pagination", "/info",
    "/result_info", "/pages", "/cursor", "/links", "/_links", "/links/pages", "/meta/pagination/links", "/page_context",
    "/pageContext", "/pagination/urls", "/cursors", "/records",
)  # fmt: skip

# Members that hold an address, also of objects such as {"next": {"href": …}}.
NEXT_ADDRESSES = (
    "@odata.nextLink", "odata.nextLink", "nextRecordsUrl", "next_page_url", "nextPageUrl", "next_url", "nextUrl",
    "nextLink", "next_link", "nextPageLink", "next_page_link", "next_page_uri", "next_uri", "nextUri", "next_href",
    "nextHref", "__next", "after_url", "next_page", "nextPage", "next",
)  # fmt: skip
# Those that hold nothing but addresses, so that “things?page=2” is one.
ALWAYS_ADDRESSES = frozenset(NEXT_ADDRESSES[:-3])
# Parameters of a link in the header Link by which it leads to no rows (Sentry).
NO_ROWS_THERE = {"results": "false"}
IN_AN_OBJECT = ("href", "link", "url", "uri")
# Lists of links: where they stand, the member with the relation and the one with the address (Oracle, FHIR).
LINK_LISTS = (("/links", "rel", "href"), ("/link", "relation", "url"), ("/link", "rel", "href"))

# Members that hold a cursor, and the parameters that usually take it, which are tried in this order.
CURSORS: dict[str, tuple[str, ...]] = {
    "next_cursor": ("cursor", "start_cursor", "next_cursor"),
    "nextCursor": ("cursor", "nextCursor"),
    "nextPageToken": ("pageToken", "nextPageToken"),
    "next_page_token": ("page_token", "next_page_token"),
    "next_token": ("next_token", "pagination_token"),
    "nextToken": ("nextToken",),
    "NextToken": ("NextToken",),
    "continuation": ("continuation",),
    "continuationToken": ("continuationToken",),
    "continuation_token": ("continuation_token",),
    "next_marker": ("marker",),
    "nextMarker": ("marker",),
    "next/after": ("after",),
    "next/starting_after": ("starting_after",),
    "next_page/offset": ("offset",),
    "next_offset": ("offset",),
    "nextOffset": ("offset",),
    "next_start": ("start",),
    "nextPageStart": ("start",),
    "next_page": ("page",),
    "nextPage": ("page",),
    "next": ("cursor", "page", "offset"),
    "cursor": ("cursor", "after"),
    "offset": ("offset",),  # Airtable's is a text; a number is the position of this page
}
# These may be the cursor of this page. They are tried, but no sign of more.
CURSORS_OF_SOME_PAGE = frozenset({"cursor"})
# These stand on the last page, too, or repeat what was asked for.
CURSORS_IF_MORE = {
    "after": ("after", "page[after]"),
    "pageToken": ("pageToken",),
    "endCursor": ("after",),
    "end_cursor": ("after",),
    "page_token": ("page_token",),
    "after_cursor": ("cursor", "page[after]"),
    "NextMarker": ("marker",),
}
# Headers that hold a cursor (Azure DevOps). Others tell that there is more, but take it in a header.
CURSOR_HEADERS: dict[str, tuple[str, ...]] = {
    "x-ms-continuationtoken": ("continuationToken",),
    "X-Next-Cursor": ("cursor",),
    "Next-Cursor": ("cursor",),
    "X-Next-Page-Token": ("page_token", "pageToken"),
}
# Headers with the members of such an object, in JSON, as ASP.NET has it.
HEADERS_WITH_AN_OBJECT = ("X-Pagination", "Pagination", "X-Paging", "Paging")
NO_CURSOR = frozenset({"0", "-1", "null", "none", "nil", "false", "undefined"})  # by which a list ends, in any case

# Members that tell the position of this page. The parameter has the same name.
POSITIONS: tuple[Paging, ...] = (
    *(
        Paging(style="offset", next=name, parameter=name)
        for name in ("startAt", "offset", "start", "skip", "startIndex")
    ),
    Paging(style="page", next="page", parameter="page"),
    Paging(style="page", next="current_page", parameter="page"),
    Paging(style="page", next="currentPage", parameter="page"),
    Paging(style="page", next="number", parameter="page", first=0),
    Paging(style="page", next="pageNumber", parameter="pageNumber"),
)
# The same without a member: parameters that a query may hold already.
OFFSETS_IN_QUERIES = ("offset", "startAt", "start", "skip", "$skip", "sysparm_offset", "startIndex", "resultOffset")
COUNTED_FROM_ONE = ("startIndex",)  # RFC 7644 §3.4.2.4
PAGES_IN_QUERIES = ("page", "pageNumber", "page_number", "page[number]", "pageIndex")
SIZES_IN_QUERIES = (
    "limit", "per_page", "perPage", "page_size", "pageSize", "page[size]", "maxResults", "max_results", "$top", "top",
    "sysparm_limit", "size", "count",
)  # fmt: skip

# Signs of more: true here, false there, or a number that is larger than what was read.
MORE = (
    "has_more", "hasMore", "has-more", "has_next", "hasNext", "hasNextPage", "has_next_page", "more", "more_records",
    "moreResults", "more_items_in_collection", "next_page_exists", "isTruncated", "IsTruncated", "truncated",
    "has_more_page", "has_more_pages", "hasMorePages", "has_more_results", "hasMoreResults", "hasMoreItems",
    "more_available", "moreAvailable", "exceededTransferLimit",
)  # fmt: skip
LAST = (
    "isLast", "is_last", "last", "isLastPage", "is_last_page", "lastPage", "last_page", "done", "end_of_stream",
    "is_end", "isEnd", "end_of_results", "endOfResults", "endOfRecords",
)  # fmt: skip
# These stand in an answer if there is more, and aren't there otherwise.
MORE_IF_THERE = ("LastEvaluatedKey", "lastEvaluatedKey", "NextContinuationToken", "more_topics_url")
MORE_IF_THERE_HEADERS = ("x-ms-continuation", "Next-Range", "X-Continuation-Token")
TOTALS = (
    "total", "total_count", "totalCount", "totalResults", "total_results", "totalSize", "total_size", "totalItems",
    "total_items", "totalElements", "total_elements", "totalRecords", "total_records", "@odata.count", "odata.count",
    "total_rows", "__count", "totalSetSize", "numFound", "total_entries", "totalEntries", "total_number", "totalNumber",
    "total_num", "totalHits", "totalRows", "count",
)  # fmt: skip
TOTALS_OF_PAGES = (
    "total_pages", "totalPages", "last_page", "page_count", "pageCount", "pages", "lastPage", "total_page",
    "totalPage", "page_total", "pageTotal", "num_pages", "numPages",
)  # fmt: skip
TOTAL_HEADERS = (
    "X-Total-Count", "X-Total", "Total-Count", "Total", "X-Pagination-Total-Count", "X-Pagination-Total",
    "Pagination-Total-Count", "Pagination-Total", "X-Total-Results", "X-Total-Results-Count", "X-Total-Items",
    "X-Total-Records", "X-Total-Elements", "X-WP-Total", "X-PW-TOTAL",
)  # fmt: skip
NEXT_PAGE_HEADERS = ("X-Next-Page",)
TOTAL_PAGES_HEADERS = ("X-Total-Pages", "X-WP-TotalPages", "X-Pagination-Page-Count", "X-Pages")
